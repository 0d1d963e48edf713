"""Colours, dashes and hatches of all figures; free of the packages that draw."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, which the colour-blind tell apart."""

STYLES = ("-", "--", "-.", ":")

HATCHES = ("", "//", "..", "xx", "\\\\", "oo", "++")
"""They tell apart what the colours tell apart."""
