"""A validation as JUnit XML, for continuous integration: a suite for each candidate, a test for each check."""

from pathlib import Path
from xml.etree import ElementTree

from inpaintrt.runtime import bundle as bundles

from ..judging.findings import ValidationReport, describe_check


def write_junit(report: ValidationReport, path: Path) -> None:
    """Write the XML in one step.

    Raises:
        OSError: if it cannot be written.
    """
    root = ElementTree.Element("testsuites", name="validate-engines")
    for candidate in (each for each in report.candidates if each.judged):
        suite = ElementTree.SubElement(root, "testsuite", name=candidate.name, timestamp=report.created)
        results: list[tuple[str, str, str]] = [
            (check.name, check.result, describe_check(check)) for check in candidate.checks
        ]
        if not candidate.cases or (candidate.result == "fail" and not any(r == "fail" for _, r, _ in results)):
            results.append(("runs", candidate.result, candidate.reason))
        _add(suite, candidate.name, results)
    baseline = report.extras.get("baseline")
    if baseline:
        suite = ElementTree.SubElement(root, "testsuite", name="baseline", timestamp=report.created)
        _add(suite, "baseline", [("no worse than the baseline", "fail" if baseline["worse"] else "pass",
                                  "; ".join(baseline["worse"]))])  # fmt: skip
    content = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    with bundles.stage(path.absolute().parent, path.name, content) as staged:
        staged.replace(path)


def _add(suite: ElementTree.Element, classname: str, results: list[tuple[str, str, str]]) -> None:
    for name, result, words in results:
        test = ElementTree.SubElement(suite, "testcase", name=name, classname=classname)
        if result == "fail":
            ElementTree.SubElement(test, "failure", message=words)
        elif result == "not run":
            ElementTree.SubElement(test, "skipped", message=words)
    suite.set("tests", str(len(results)))
    suite.set("failures", str(sum(result == "fail" for _, result, _ in results)))
    suite.set("skipped", str(sum(result == "not run" for _, result, _ in results)))
