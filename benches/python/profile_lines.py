"""Reads what `callgrind_annotate` prints and says it by function: inlined code counts for the function that it was inlined into."""

from __future__ import annotations

import re
import sys
from collections import Counter

LINE = re.compile(r"^\s*([\d,]+) \([ \d.]+%\)\s+([^:]*):(.*?)(?: \[.*)?$")


def main() -> None:
    inclusive = sys.argv[1:] == ["yes"]
    costs: Counter[str] = Counter()
    for line in sys.stdin:
        if found := LINE.match(line):
            cost, _, function = found.groups()
            name = re.sub(r"^\./.*:", "", function)
            # With what it calls, a function is listed once for each file that it has code of; alone, these add up.
            costs[name] = max(costs[name], int(cost.replace(",", ""))) if inclusive else costs[name] + int(cost.replace(",", ""))
    total = max(costs.values(), default=0) if inclusive else sum(costs.values())
    print("   with what it calls:" if inclusive else "   by itself:")
    shown = [(name, cost) for name, cost in costs.most_common() if not inclusive or "maskwright" in name or name.startswith("profile::")]
    for name, cost in shown[: 28 if inclusive else 16]:
        print(f"{cost / total:>8.1%}  {name}")


if __name__ == "__main__":
    main()
