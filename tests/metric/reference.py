"""Second implementations of the ranking metrics: one list at a time, straight from the formula."""

import math


def dcg(gains):
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))


def metrics_at_k(score, rating, relevant, k):
    """All metrics of one list with distinct scores, or None without a positive."""
    order = sorted(range(len(score)), key=lambda column: -score[column])
    cut = min(k, len(score))
    liked = [bool(relevant[column]) for column in order]
    stars = [float(rating[column]) for column in order]
    found, positives = sum(liked[:cut]), sum(liked)
    ideal = sorted(stars, reverse=True)
    result = {
        "ndcg": dcg(stars[:cut]) / dcg(ideal[:cut]) if dcg(ideal[:cut]) else None,
        "ndcg_exp": None,
    }
    expo, best = [2**star - 1 for star in stars], [2**star - 1 for star in ideal]
    if dcg(best[:cut]):
        result["ndcg_exp"] = dcg(expo[:cut]) / dcg(best[:cut])
    if not positives:
        return {**result, **dict.fromkeys(("precision", "recall", "f1", "hit", "mrr", "map"))}
    precision, recall = found / cut, found / positives
    result["precision"], result["recall"] = precision, recall
    both = precision + recall
    result["f1"] = 2 * precision * recall / both if both else 0.0
    result["hit"] = float(found > 0)
    result["mrr"] = next((1 / (i + 1) for i in range(cut) if liked[i]), 0.0)
    hits = [sum(liked[: i + 1]) / (i + 1) for i in range(cut) if liked[i]]
    result["map"] = sum(hits) / min(k, positives)
    return result
