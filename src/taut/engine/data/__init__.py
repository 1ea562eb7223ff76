"""Where rows come from: arrays, data sets, Parquet; in what order, and in which fold."""
