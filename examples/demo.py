"""The whole pipeline on the demo checkpoint, with the commands a user would type. `make demo` runs this.

The image is `chelsea` from scikit-image (CC0, by Stefan van der Walt).
"""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUNDLE = Path("build/demo")

COMMANDS = (
    f"export-onnx examples/demo.ckpt -o {BUNDLE} --dynamic 256,512,1024",
    f"build-engines {BUNDLE} --backend tensorrt-rtx --target sm86,sm89",
    f"validate-engines {BUNDLE} --quick --html",
    f"inpaint {BUNDLE} --image examples/image.png --mask examples/mask.png -o build/filled.png",
)


def main() -> int:
    """Run the commands one after the other; the exit code is that of the first that fails."""
    for command in COMMANDS:
        print(f"\n$ {command}", flush=True)  # noqa: T201 - this is a program for people to read
        name, *arguments = shlex.split(command)
        program = shutil.which(name, path=str(Path(sys.executable).parent)) or name
        code = subprocess.run([program, *arguments], cwd=ROOT, check=False).returncode
        if code:
            return code
    print(  # noqa: T201
        "\nThe filled image:  build/filled.png  (of examples/image.png, with the holes of examples/mask.png)"
        f"\nThe bundle:        {BUNDLE}  (ONNX models, engines, bundle.json)"
        f"\nThe report:        {BUNDLE}/reports/report.html"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
