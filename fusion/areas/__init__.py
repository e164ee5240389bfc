"""From labelled areas to the patches inside them: rare classes sampled densely, big areas thinned.

So2Sat cuts patches of 32 x 32 pixels at 10 m out of polygons that experts drew, and balances them: big polygons of
frequent classes (water, low plants, dense trees) give fewer patches, rare classes more (Zhu et al. 2020,
https://doi.org/10.1109/MGRS.2020.2964708). That much is known; its numbers, its rule and how far its patches overlap
are not published. Ours, all stated in `Balance`: a patch lies wholly inside its area (So2Sat asks it of the centre
alone); each class has one target, by default what the middle class has on the grid; the areas of a class give equal
shares of it as far as they have so many; and where the grid holds too few, patches are laid at half, a quarter, ... of
their side, those on the grid first. The area's id is the group that no split may part.
"""

from fusion.areas.balancing import Balance, Sampled, sample_areas
from fusion.areas.ground import Area, Overlap, find_fault, measure_ground
from fusion.areas.patches import Patch, list_cells

__all__ = [
    "Area",
    "Balance",
    "Overlap",
    "Patch",
    "Sampled",
    "find_fault",
    "list_cells",
    "measure_ground",
    "sample_areas",
]
