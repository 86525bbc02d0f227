"""LaTeX held to its grammar, token by token."""

import re


def structure(told: str) -> list[int]:
    """Hold LaTeX to its grammar: groups, environments, math, cells; return columns per tabular."""
    body = "\n".join(line for line in told.splitlines() if not line.startswith("%"))
    stack: list[str] = []
    columns: list[int] = []
    cells, math = 0, False
    token = re.compile(r"\\(begin|end)\{(\w+)\}(?:\{(l[r]*)\})?|\\\\|\\[A-Za-z]+|\\.|[&{}$%#_^~]")
    for found in token.finditer(body.replace("{%\n", "{\n")):
        word, kind, name = found[0], found[1], found[2]
        if kind == "begin":
            stack.append(name)
            columns += [len(found[3])] if name == "tabular" else []
        elif kind == "end" or word == "}":
            assert stack.pop() == (name if kind else "{")
        elif word == "{":
            stack.append(word)
        elif word == "$":
            math = not math
        elif word == "&":
            assert stack[-1] == "tabular"
            cells += 1
        elif word == "\\\\":
            assert (stack[-1], cells, math) == ("tabular", columns[-1] - 1, False)
            cells = 0
        else:
            assert word[0] == "\\", f"{word} is not escaped"
    assert (stack, cells, math) == ([], 0, False)
    for one in re.findall(r"\\begin\{table\}.*?\\end\{table\}", body, re.DOTALL):
        assert one.count(r"\caption{") == 1
        assert one.count(r"\begin{tabular}") <= 1
    return columns
