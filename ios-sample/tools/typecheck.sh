#!/usr/bin/env bash
# Type-checks GoalKit with its Core ML part, and the app, against the interface stubs, where there is no Apple SDK.
#   usage: ios-sample/tools/typecheck.sh [COMPILER...]      the Swift compiler, by default swiftc
set -euo pipefail
cd "$(dirname "$0")/../.."
compiler=("${@:-swiftc}")
out=build/goalkit-stubs
sample=ios-sample
strict=(-swift-version 6 -warnings-as-errors -parse-as-library -I "$out")
mkdir -p "$out"

module() {  # NAME FILE...: emits the interface of a module
  local name=$1
  shift
  "${compiler[@]}" -emit-module -wmo -module-name "$name" -emit-module-path "$out/$name.swiftmodule" "${options[@]}" "$@"
}

options=(-swift-version 5 -parse-as-library -suppress-warnings -I "$out")
for name in CoreML os Darwin OSLog Accessibility SwiftUI Charts AppIntents BackgroundTasks; do
  files=$(find "$sample/Stubs/$name" "$sample/Stubs/$name.swift" -name '*.swift' 2>/dev/null || true)
  # shellcheck disable=SC2086  (one word per file)
  [ -z "$files" ] || module "$name" $files
done

options=("${strict[@]}")
check() {  # NAME FILE...: checks all bodies too, with the compiler's analyses of initialisation and of data races
  local name=$1
  shift
  "${compiler[@]}" -emit-sil -wmo -o /dev/null -module-name "$name" "${strict[@]}" "$@"
}

for name in GoalKit GoalScreens; do
  # shellcheck disable=SC2046  (one word per file)
  module "$name" $(find "$sample/GoalKit/Sources/$name" -name '*.swift')
  # shellcheck disable=SC2046
  check "$name" $(find "$sample/GoalKit/Sources/$name" -name '*.swift')
done
# shellcheck disable=SC2046
check Goals $(find "$sample/App" -name '*.swift')
echo "type-checked against stubs: GoalKit, GoalScreens and the app"
