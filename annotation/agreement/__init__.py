"""How far experts agree: on a sample, in a class, in a city, with each other. All from the votes alone."""

from annotation.agreement.measures import (
    DISTANCE_FREE,
    MEASURES,
    ClassAgreement,
    agreement_by_group,
    fleiss_kappa,
    kappa_by_group,
    krippendorff_alpha,
    measure_all,
    measure_classes,
    measure_groups,
    pair_agreement,
    percent_agreement,
    vote_entropy,
)
from annotation.agreement.outliers import (
    ExpertDistance,
    Neighbourhood,
    against_model,
    against_neighbours,
    measure_experts,
)
from annotation.agreement.pairs import (
    class_agreement,
    co_votes,
    coincidences,
    confusion_with_rest,
    row_shares,
    voter_agreement,
    voter_confusion,
)
from annotation.agreement.resampling import Measured

__all__ = [
    "DISTANCE_FREE",
    "MEASURES",
    "ClassAgreement",
    "ExpertDistance",
    "Measured",
    "Neighbourhood",
    "against_model",
    "against_neighbours",
    "agreement_by_group",
    "class_agreement",
    "co_votes",
    "coincidences",
    "confusion_with_rest",
    "fleiss_kappa",
    "kappa_by_group",
    "krippendorff_alpha",
    "measure_all",
    "measure_classes",
    "measure_experts",
    "measure_groups",
    "pair_agreement",
    "percent_agreement",
    "row_shares",
    "vote_entropy",
    "voter_agreement",
    "voter_confusion",
]
