"""What has been traced: jaxprs looked into, evaluated with something changed, and freed of the data in them."""

from ch5jax.tracing._evaluate import Changes as Changes, Path as Path, Place as Place, evaluate as evaluate
from ch5jax.tracing._hoist import (
    Hoisted as Hoisted,
    InTwo as InTwo,
    clear_caches as clear_caches,
    hoist as hoist,
    hoist_in_two as hoist_in_two,
    jit as jit,
)
from ch5jax.tracing._jaxprs import (
    CALLS as CALLS,
    Inner as Inner,
    ScanParts as ScanParts,
    all_eqns as all_eqns,
    inner as inner,
    jaxprs_of as jaxprs_of,
    scan_parts as scan_parts,
)
from ch5jax.tracing._memory import peak_bytes as peak_bytes
