"""The Xcode project, property lists and String Catalogs, as far as they can be checked without Xcode."""

import json
import plistlib
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from goalkit.tasks import GOAL_TASKS

SAMPLE = Path(__file__).parents[2] / "ios-sample"
APP = SAMPLE / "App"
LANGUAGES = {"en", "zh-Hans", "zh-Hant"}
PLACEHOLDER = re.compile(r"%(?:\d\$)?(lld|@|\.1f)")


def parsed(text):
    """Parse an old-style (OpenStep) property list: dictionaries, arrays and strings."""
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|[{}()=;,]|[^\s{}()=;,"]+', re.sub(r"/\*.*?\*/|//[^\n]*", "", text))
    place = 0

    def take(wanted=None):
        nonlocal place
        token = tokens[place]
        assert wanted in (None, token), f"{token!r} instead of {wanted!r}, token {place}"
        place += 1
        return token

    def value():
        token = take()
        if token == "{":
            found = {}
            while tokens[place] != "}":
                key = take().strip('"')
                take("=")
                assert key not in found, f"{key} twice"
                found[key] = value()
                take(";")
            take("}")
            return found
        if token == "(":
            items = []
            while tokens[place] != ")":
                items.append(value())
                if tokens[place] != ")":
                    take(",")
            take(")")
            return items
        return token.strip('"')

    whole = value()
    assert place == len(tokens)
    return whole


@pytest.fixture(scope="module")
def project():
    return parsed((SAMPLE / "Goals.xcodeproj/project.pbxproj").read_text(encoding="utf-8"))


def identifiers(value):
    if isinstance(value, dict):
        return {each for key, inner in value.items() for each in identifiers(key) | identifiers(inner)}
    if isinstance(value, list):
        return {each for inner in value for each in identifiers(inner)}
    return {value} if re.fullmatch(r"[0-9A-F]{24}", value) else set()


def test_every_id_of_the_project_is_defined_and_used(project):
    used = identifiers(list(project["objects"].values())) | {project["rootObject"]}
    assert used == set(project["objects"])
    assert project["objectVersion"] == "77"
    assert project["objects"][project["rootObject"]]["isa"] == "PBXProject"


def test_every_path_of_the_project_exists(project):
    paths = [
        each.get("path") or each["relativePath"]
        for each in project["objects"].values()
        if ("path" in each and each["sourceTree"] != "BUILT_PRODUCTS_DIR") or "relativePath" in each
    ]
    assert len(paths) == 4
    for each in project["objects"].values():
        paths += [each["buildSettings"]["INFOPLIST_FILE"]] if "INFOPLIST_FILE" in each.get("buildSettings", {}) else []
    assert not [path for path in paths if not (SAMPLE / path).exists()]


def test_the_scheme_builds_a_target_of_the_project(project):
    scheme = ElementTree.parse(SAMPLE / "Goals.xcodeproj/xcshareddata/xcschemes/Goals.xcscheme")
    targets = {each.get("BlueprintIdentifier") for each in scheme.iter("BuildableReference")}
    assert [project["objects"][each]["isa"] for each in targets] == ["PBXNativeTarget"]


def test_the_package_has_the_product_that_the_project_links(project):
    package = (SAMPLE / "GoalKit/Package.swift").read_text(encoding="utf-8")
    products = [each["productName"] for each in project["objects"].values() if each["isa"] == "XCSwiftPackageProductDependency"]
    assert products
    for product in products:
        assert f'.library(name: "{product}"' in package


def test_background_tasks_are_allowed_by_name():
    info = plistlib.loads((SAMPLE / "Info.plist").read_bytes())
    source = (APP / "BackgroundLearning.swift").read_text(encoding="utf-8")
    assert info["BGTaskSchedulerPermittedIdentifiers"] == re.findall(r'identifier = "(.*)"', source)
    assert info["UIBackgroundModes"] == ["processing"]
    assert info["ITSAppUsesNonExemptEncryption"] is False


def test_the_privacy_manifest_says_that_nothing_is_collected():
    manifest = plistlib.loads((APP / "PrivacyInfo.xcprivacy").read_bytes())
    assert manifest == {
        "NSPrivacyTracking": False,
        "NSPrivacyTrackingDomains": [],
        "NSPrivacyCollectedDataTypes": [],
        "NSPrivacyAccessedAPITypes": [],
    }


def test_asset_catalogues_are_json():
    files = list(APP.glob("Assets.xcassets/**/Contents.json"))
    assert len(files) == 3
    for file in files:
        assert "info" in json.loads(file.read_text(encoding="utf-8"))


def catalogue(name):
    return json.loads((APP / name).read_text(encoding="utf-8"))["strings"]


@pytest.mark.parametrize("name", ["Localizable.xcstrings", "AppShortcuts.xcstrings", "InfoPlist.xcstrings"])
def test_catalogues_have_every_language_with_the_same_placeholders(name):
    for key, entry in catalogue(name).items():
        units = {language: each["stringUnit"] for language, each in entry["localizations"].items()}
        assert set(units) == LANGUAGES, key
        for unit in units.values():
            assert unit["state"] == "translated"
            assert unit["value"].strip()
            assert sorted(PLACEHOLDER.findall(unit["value"])) == sorted(PLACEHOLDER.findall(key)), key
            assert unit["value"].count("${applicationName}") == key.count("${applicationName}")


NO_KEY = re.compile(
    r"//[^\n]*|\blog\.\w+\([^\n]*|systemImage: [^,)\n]*|systemImageName: \"[^\"]*\"|(?:path|category|specifier): \"[^\"]*\""
    r"|identifier = \"[^\"]*\"|stringLiteral: \w+"
)
"""What is shown to nobody, or is no literal."""

LITERAL = re.compile(r'"((?:[^"\\]|\\\((?:[^()]|\([^()]*\))*\))*)"')
INTERPOLATION = re.compile(r"\\\(((?:[^()]|\([^()]*\))*)\)")


def used_keys():
    """Every other string literal of the app is a key; interpolated numbers are placeholders."""
    keys = set()
    for file in sorted(APP.glob("**/*.swift")):
        source = file.read_text(encoding="utf-8").replace(', specifier: "%.1f"', ", one_digit")
        for literal in LITERAL.findall(NO_KEY.sub("", source)):
            if literal:
                keys.add(INTERPOLATION.sub(lambda part: "%.1f" if part[1].endswith("one_digit") else "%lld", literal))
    return keys


def test_every_key_in_the_sources_is_in_the_catalogue_and_none_is_unused():
    keys = used_keys()
    phrases = {key for key in keys if key.startswith("Add a goal in ")}
    assert len(keys) > 50
    assert {key.replace("%lld", "${applicationName}") for key in phrases} == set(catalogue("AppShortcuts.xcstrings"))
    labels = {text for task in GOAL_TASKS for text in (task.name, *task.labels)}  # shown by name, see LocalizedStringKey(
    assert (keys - phrases) | labels == set(catalogue("Localizable.xcstrings"))
