"""Figures as text."""

from typing import Literal

from fewrec_cli.report.model import Figure, Parameters, Shots, Versus

NOTHING = "-"
MINUS = "\N{MINUS SIGN}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure, a dash where there is none.

    Example:
        >>> number(0.78), number(None)
        ('0.780', '-')
    """
    return NOTHING if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def exact(value: float | None) -> str:
    """Return a published figure with the digits that it was published with, three at least.

    Example:
        >>> exact(0.7854), exact(0.7), exact(None)
        ('0.7854', '0.700', '-')
    """
    if value is None:
        return NOTHING
    told = f"{value:.6f}".rstrip("0")
    return told if len(told.partition(".")[2]) > 3 else f"{value:.3f}"


def spread(figure: Figure, which: Literal["sd", "interval"]) -> str:
    """Return a mean with its deviation over draws (of one draw: over seeds) or its 95% interval.

    Example:
        >>> spread(Figure(0.78, 0.013, None, 0.75, 0.81), "interval")
        '0.780 [0.750, 0.810]'
    """
    mean = number(figure.mean)
    if figure.mean is None:
        return mean
    if which == "sd":
        sd = figure.sd if figure.sd is not None else figure.sd_seeds
        return mean if sd is None else f"{mean} ± {number(sd)}"
    if figure.low is None or figure.high is None:
        return mean
    return f"{mean} [{number(figure.low)}, {number(figure.high)}]"


def versus(one: Versus | None, digits: int = 3) -> str:
    """Return a difference with its interval and corrected p.

    Example:
        >>> versus(Versus("item mean", -0.0071, -0.011, -0.003, 1e-4, 4e-4, 189))
        '−0.007 [−0.011, −0.003], p 4e-04'
    """
    if one is None:
        return NOTHING
    told = signed(one.difference, digits)
    if one.low is not None and one.high is not None:
        told += f" [{signed(one.low, digits)}, {signed(one.high, digits)}]"
    return told if one.p_holm is None else f"{told}, p {p_value(one.p_holm)}"


def signed(value: float, digits: int = 3) -> str:
    """Return a difference with its sign.

    Example:
        >>> signed(0.0041), signed(-0.0041, 4), signed(0.0)
        ('+0.004', '−0.0041', '0.000')
    """
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", MINUS) if rounded else f"{0:.{digits}f}"


def p_value(p: float) -> str:
    """Return a p value with one or two digits.

    Example:
        >>> p_value(0.234), p_value(3.4e-18), p_value(0.0), p_value(1.0)
        ('0.23', '3e-18', '0', '1')
    """
    return f"{p:.2g}" if p >= 0.001 else (f"{p:.0e}" if p else "0")


def milliseconds(value: float | None) -> str:
    """Return a time with two digits, nothing where there is none.

    Example:
        >>> milliseconds(0.00712), milliseconds(None)
        ('0.0071', '')
    """
    if value is None:
        return ""
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def parameters(size: Parameters | None) -> str:
    """Return how many numbers are trained, nothing where that is not known.

    Example:
        >>> parameters(Parameters(12_345, 17)), parameters(None)
        ('12,345', '')
    """
    return "" if size is None else f"{size.trainable:,}"


def shots(size: Shots, word: str = "") -> str:
    """Return a support size, with the word in its number.

    Example:
        >>> shots(5, "shot"), shots(1, "shot"), shots("all", "shot"), shots(3)
        ('5 shots', '1 shot', 'all shots', '3')
    """
    if not word:
        return str(size)
    return f"{size} {word}" if size == 1 else f"{size} {word}s"


def several(count: int, word: str) -> str:
    """Return a count with its word.

    Example:
        >>> several(1, "draw"), several(5, "draw")
        ('1 draw', '5 draws')
    """
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
