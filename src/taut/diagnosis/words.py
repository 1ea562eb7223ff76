"""What a diagnosis says, in English and Chinese: one template a code, with the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taut.checks import names_given
from taut.errors import InputError

LANGUAGES = ("en", "zh")
LEAKAGE = "leakage"
NAMED = 3
"""So many names are in a sentence."""

VERDICTS: Mapping[str, tuple[str, str]] = {
    "overfitting": (
        "The model overfits: on new rows its loss is {gap} higher than on the rows it learned "
        "from, {share} of what looking at no input costs.",
        "模型过拟合：在新数据上的损失比训练数据高 {gap}，相当于不看任何输入时损失的 {share}。",
    ),
    "underfitting": (
        "The model underfits: with {what} the same data give {gain} less loss on rows that it "
        "has not seen.",
        "模型欠拟合：采用{what}后，在未见过的数据上损失可降低 {gain}。",
    ),
    "about_right": (
        "The model is about right: on new rows its loss is {gap} higher than on the rows it "
        "learned from, and nothing freer that was tried does better.",
        "模型大致合适：在新数据上的损失只比训练数据高 {gap}，试过的更灵活的方案也没有更好。",
    ),
    "not_overfitting": (
        "The model does not overfit: on new rows its loss is {gap} higher than on the rows it "
        "learned from. Whether it underfits is not known: nothing freer was tried.",
        "模型没有过拟合：在新数据上的损失只比训练数据高 {gap}。没有试过更灵活的方案，"
        "因此不知道是否欠拟合。",
    ),
    "too_little_evidence": (
        "There is too little evidence: with {rows} held-out rows the loss on new rows may be from "
        "{low} to {high} higher than on the rows it learned from.",
        "证据不足：只有 {rows} 行留出数据，新数据上的损失可能比训练数据高 {low} 到 {high}。",
    ),
    "nothing_learned": (
        "Nothing that holds on new rows was learned: the loss is {loss} where looking at no input "
        "has {base}.",
        "没有学到能推广到新数据的东西：损失为 {loss}，而不看任何输入时为 {base}。",
    ),
    "leak_column": (
        "The input {names} alone explains nearly all of the target. Is it known when a prediction "
        "is needed? If not, every score here is too good.",
        "仅凭输入 {names} 就几乎能解释全部目标。预测时是否已知它的值？"
        "若未知，这里的所有分数都偏高。",
    ),
    "leak_rows": (
        "{count} of the {rows} held-out rows are also among those learned from, {exact} of them "
        "exactly. The held-out scores are too good.",
        "{rows} 行留出数据中有 {count} 行也出现在训练数据中（其中 {exact} 行完全相同），"
        "留出分数偏高。",
    ),
    "leak_groups": (
        "{count} groups have rows on both sides of the split. Held-out scores say how well rows of "
        "known groups are predicted, not those of new ones.",
        "有 {count} 个分组同时出现在训练和留出数据中：留出分数只说明对已知分组的预测能力。",
    ),
    "shift": (
        "The held-out rows are drawn differently from those learned from: {names}. The scores are "
        "of those rows.",
        "留出数据与训练数据的分布不同：{names}。分数只适用于这些留出数据。",
    ),
    "label_noise": (
        "About {share} of the labels look wrong, such as that of row {row}.",
        "约有 {share} 的标签可能有误，例如第 {row} 行。",
    ),
    "miscalibrated": (
        "The probabilities are off: setting them right moves them by {moved} on average (slope "
        "{slope}, where 1 is right and less is too sure).",
        "概率不准确：校准后平均变动 {moved}（斜率 {slope}，1 为准确，小于 1 为过于自信）。",
    ),
    "failing_segment": (
        "The model does clearly worse where {names}: its loss is {loss} there and {others} "
        "elsewhere.",
        "在 {names} 的部分模型明显更差：该处损失为 {loss}，其余为 {others}。",
    ),
}
"""By code, the sentence in English and in Chinese."""

STRENGTHS: Mapping[str, tuple[str, str]] = {
    "clear": ("clear", "明确"),
    "likely": ("likely", "很可能"),
}

DOUBTED = (
    "What helped in folds, and cannot be relied on:",
    "在折中有效、但不可依赖的改进：",
)
HELPS = (
    "What helps, measured on rows that no training saw:",
    "有效的改进（在未参与训练的数据上测得）：",
)
NOTHING_HELPED = (
    "Nothing that was tried is clearly better than the model as it is.",
    "所有试过的方案都没有明显优于现有模型。",
)
NO_VERDICT = (
    "No verdict: what was measured does not tell how well the model fits.",
    "没有结论：测得的数字不足以判断模型的拟合情况。",
)
ONLY_MUTED = (
    "No verdict but what `ignore` mutes.",
    "除 `ignore` 屏蔽的结论外，没有其他结论。",
)


def sentence(code: str, numbers: Mapping[str, Any], *, lang: str = "en") -> str:
    """The sentence of a verdict, with its numbers."""
    return VERDICTS[code][LANGUAGES.index(lang)].format(**numbers)


def number(value: float) -> str:
    """A number with three digits, as it is read."""
    return f"{value:.3g}"


def percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.095 else f"{100 * share:.1f}%"


def codes_of(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Codes of verdicts; "leakage" stands for all whose code begins with "leak".

    Args:
        given: Codes, or text with commas between them; None for none.

    Raises:
        InputError: If one is no code of a verdict.
    """
    given = () if given is None else given
    parts = given.split(",") if isinstance(given, str) else names_given(ignore=given)
    codes = [part.strip() for part in parts if part.strip()]
    if unknown := [code for code in codes if code not in (*VERDICTS, LEAKAGE)]:
        raise InputError(
            f"Verdicts must be named by their codes: {', '.join((*VERDICTS, LEAKAGE))}. Received: "
            f"{', '.join(map(repr, unknown))}."
        )
    leaks = [code for code in VERDICTS if code.startswith("leak_")] if LEAKAGE in codes else []
    return tuple(dict.fromkeys([*(code for code in codes if code != LEAKAGE), *leaks]))


def named(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
