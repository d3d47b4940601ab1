"""What `make cpp-windows` runs, where MinGW-w64 and Wine are."""

import pytest

from tests.runtime import cpp_build, cpp_windows


@pytest.mark.long
def test_windows_under_wine(capsys: pytest.CaptureFixture[str]) -> None:
    if not cpp_windows.BUILT.is_dir():
        pytest.skip(f"not built for Windows here; {cpp_windows.HOW_TO_GET_IT}")
    try:
        cpp_windows.main()
    except cpp_build.CannotBuildError as reason:
        pytest.skip(str(reason))
    assert "100% tests passed" in capsys.readouterr().out
