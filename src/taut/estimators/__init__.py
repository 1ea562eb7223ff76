"""scikit-learn's interface: estimators of penalised networks, of tables, and of inputs.

Users import them from `taut.sklearn`.
"""
