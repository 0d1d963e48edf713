"""Draw one share of a data set in a separate process: ``python -m reid_lit.synthetic.share``.

The arguments are those of :func:`reid_lit.synthetic.write.write_share`, in the same order. Each line of the output is
the number of images drawn since the line before.
"""

import sys
from pathlib import Path

from reid_lit.synthetic.write import write_share

if __name__ == "__main__":
    folder, world, size, seed, share, shares = sys.argv[1:]
    for images in write_share(Path(folder), world, size, int(seed), int(share), int(shares)):
        sys.stdout.write(f"{images}\n")
        sys.stdout.flush()
