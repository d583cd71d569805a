"""The hyperparameters of k-NN (kNN_hyperparameters.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from sagecask.hyperparameters import Hyperparameters, hyperparameter, when

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBVECTORS = (1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96)
_LISTS = "index_type is faiss.IVFFlat or faiss.IVFPQ"


class KNNHyperparameters(Hyperparameters):
    """What a training job may set; logs of jobs hold more names with an underscore, such as `_kvstore`."""

    hidden_prefix: ClassVar[str | None] = "_"

    feature_dim: int = hyperparameter(minimum=1, meaning="number of features")
    k: int = hyperparameter(minimum=1, meaning="number of neighbours")
    predictor_type: Literal["classifier", "regressor"] = hyperparameter(
        meaning="answer with the most frequent label of the neighbours, or with the mean of their labels"
    )
    sample_size: int = hyperparameter(minimum=1, meaning="rows drawn from the train channel for the index")
    dimension_reduction_type: Literal["sign", "fjlt"] | None = hyperparameter(
        None, meaning="random sign projection or fast Johnson-Lindenstrauss transform; none when not given"
    )
    dimension_reduction_target: int | None = hyperparameter(
        None,
        minimum=1,
        required_when=when("dimension_reduction_type"),
        applies_when="dimension_reduction_type is set",
        meaning="dimension after reduction, below feature_dim",
    )
    index_type: Literal["faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ"] = hyperparameter(
        "faiss.Flat", meaning="exhaustive search, inverted lists, or inverted lists with product quantisation"
    )
    index_metric: Literal["L2", "INNER_PRODUCT", "COSINE"] = hyperparameter(
        "L2", meaning="what makes rows close; faiss.IVFPQ takes L2 only"
    )
    faiss_index_ivf_nlists: int | Literal["auto"] = hyperparameter(
        "auto",
        minimum=1,
        applies_when=_LISTS,
        meaning="number of inverted lists; auto is the square root of the sample's size",
    )
    faiss_index_pq_m: int | None = hyperparameter(
        None,
        values=SUBVECTORS,
        applies_when="index_type is faiss.IVFPQ",
        meaning="number of sub-vectors of the product quantiser; when not given, the most that has two features each",
    )
    mini_batch_size: int = hyperparameter(5000, minimum=1, meaning="rows read at a time")
    faiss_index_nprobe: int = hyperparameter(
        5,
        name="_faiss_index_nprobe",
        minimum=1,
        applies_when=_LISTS,
        meaning="inverted lists visited for each row; undocumented, but in the logs of jobs",
    )

    def faults(self) -> Iterator[str]:
        reduced, target = self.dimension_reduction_type, self.dimension_reduction_target
        if reduced and target and target >= self.feature_dim:
            yield (
                'hyperparameter "dimension_reduction_target" must be below feature_dim, which is '
                f'{self.feature_dim}; got "{target}"'
            )
        if self.index_type == "faiss.IVFPQ" and self.index_metric != "L2":
            yield (
                f'hyperparameter "index_metric" must be "L2" when index_type is faiss.IVFPQ; got "{self.index_metric}"'
            )
        if self.faiss_index_pq_m not in (None, *SUBVECTORS):
            allowed = ", ".join(map(str, SUBVECTORS))
            yield f'hyperparameter "faiss_index_pq_m" must be one of {allowed}; got "{self.faiss_index_pq_m}"'
        if self.k > self.sample_size:
            yield f'hyperparameter "k" must be at most sample_size, which is {self.sample_size}; got "{self.k}"'
