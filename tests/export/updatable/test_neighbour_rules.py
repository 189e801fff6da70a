"""Nearest neighbours that break just one rule must be refused for that one."""

import pytest

from goalkit.export import NeighboursHeadBuilder
from goalkit.export.updatable import find_violations


def knn(spec):
    return spec.kNearestNeighborsClassifier


def no_neighbours(spec):
    knn(spec).numberOfNeighbors.defaultValue = 0


def no_weighting(spec):
    knn(spec).ClearField("uniformWeighting")


def default_of_another_type(spec):
    knn(spec).defaultInt64Label = 1


def no_labels_at_all(spec):
    knn(spec).ClearField("defaultStringLabel")
    del knn(spec).stringClassLabels.vector[:]
    del knn(spec).nearestNeighborsIndex.floatSamples[:]


def a_label_too_few(spec):
    del knn(spec).stringClassLabels.vector[1:]


def a_short_example(spec):
    del knn(spec).nearestNeighborsIndex.floatSamples[0].vector[1:]


def no_index(spec):
    knn(spec).nearestNeighborsIndex.ClearField("linearIndex")


def leafless_tree(spec):
    knn(spec).nearestNeighborsIndex.singleKdTreeIndex.leafSize = 0


def no_distance(spec):
    knn(spec).nearestNeighborsIndex.ClearField("squaredEuclideanDistance")


@pytest.mark.parametrize(
    ("breaks", "rule"),
    [
        (no_neighbours, "neighbour-count"),
        (no_weighting, "neighbour-votes"),
        (default_of_another_type, "neighbour-votes"),
        (no_labels_at_all, "neighbour-votes"),
        (a_label_too_few, "neighbour-index"),
        (a_short_example, "neighbour-index"),
        (no_index, "neighbour-index"),
        (leafless_tree, "neighbour-index"),
        (no_distance, "neighbour-index"),
    ],
)
def test_broken_neighbours_are_refused_for_their_rule(run, breaks, rule):
    spec = NeighboursHeadBuilder(task="category").build(run.model, ["跑步五公里", "背五十个单词"], ["健康", "学习"]).spec
    assert find_violations(spec) == []
    breaks(spec)
    assert [each.rule for each in find_violations(spec)] == [rule]
