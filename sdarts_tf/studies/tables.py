"""A table of texts as Markdown, CSV or LaTeX."""

import csv
import io
from collections.abc import Sequence

Table = Sequence[Sequence[str]]  # rows of equal length, the heading first


def markdown(table: Table) -> str:
    """As GitHub shows it.

    Example:
        >>> print(markdown([["a", "b"], ["1", "2|3"]]), end="")
        | a | b |
        |---|---|
        | 1 | 2\\|3 |
    """
    heading, *rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table]
    return "\n".join([heading, "|---" * len(table[0]) + "|", *rows]) + "\n"


def comma_separated(table: Table) -> str:
    """As spreadsheets read it.

    Example:
        >>> comma_separated([["a", "b"], ["1", "2,3"]])
        'a,b\\n1,"2,3"\\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()


_SPECIAL = {"\\": r"\textbackslash{}", "±": r"$\pm$"} | {character: "\\" + character for character in "&%$#_{}"}
_SPECIAL |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def latex(table: Table) -> str:
    """A tabular for the package booktabs; the first column is aligned left.

    Example:
        >>> print(latex([["", "rs"], ["s2", "1 ± 0 %"]]), end="")
        \\begin{tabular}{lr}
        \\toprule
         & rs \\\\
        \\midrule
        s2 & 1 $\\pm$ 0 \\% \\\\
        \\bottomrule
        \\end{tabular}
    """
    escaped = [["".join(_SPECIAL.get(character, character) for character in cell) for cell in row] for row in table]
    heading, *rows = [" & ".join(row) + r" \\" for row in escaped]
    columns = "l" + "r" * (len(table[0]) - 1)
    begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
    return "\n".join([begin, r"\toprule", heading, r"\midrule", *rows, r"\bottomrule", end]) + "\n"
