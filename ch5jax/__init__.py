"""The optimization chapter of a deep-learning textbook as pure, composable JAX transformations."""

from ch5jax import (
    _command as _command,
    diagnostics as diagnostics,
    initializers as initializers,
    models as models,
    networks as networks,
    problems as problems,
    tasks as tasks,
    treatment as treatment,
    verdicts as verdicts,
)
from ch5jax.checkpoints import load as load, save as save
from ch5jax.normalization import (
    BatchNormParams as BatchNormParams,
    BatchNormState as BatchNormState,
    batch_norm as batch_norm,
    batch_norm_backward_stages as batch_norm_backward_stages,
    batch_norm_fold as batch_norm_fold,
    batch_norm_forward_stages as batch_norm_forward_stages,
    batch_norm_inference as batch_norm_inference,
    batch_norm_init as batch_norm_init,
    batch_norm_merge as batch_norm_merge,
    batch_norm_state as batch_norm_state,
)
from ch5jax.optimizers import (
    AdagradState as AdagradState,
    AdamState as AdamState,
    MasterWeightsState as MasterWeightsState,
    MomentumState as MomentumState,
    RmspropState as RmspropState,
    Scale as Scale,
    SgdState as SgdState,
    Transformation as Transformation,
    adagrad as adagrad,
    adam as adam,
    chain as chain,
    grid as grid,
    integer as integer,
    lift as lift,
    linear as linear,
    log as log,
    master_weights as master_weights,
    momentum as momentum,
    rmsprop as rmsprop,
    sample as sample,
    sgd as sgd,
    stack as stack,
    unstack as unstack,
)
from ch5jax.populations import Evolution as Evolution, evolve as evolve
from ch5jax.pretraining import Pretrained as Pretrained, pretrain_layerwise as pretrain_layerwise
from ch5jax.schedules import Schedule as Schedule, constant as constant, linear_decay as linear_decay
from ch5jax.searches import Search as Search, search as search
from ch5jax.sweeps import (
    Rungs as Rungs,
    SweepResult as SweepResult,
    halving as halving,
    hyperband as hyperband,
    open_sweep,
    space as space,
    stop_lost as stop_lost,
    sweep as sweep,
)
from ch5jax.tapping import Site as Site, Tapped as Tapped, tap as tap
from ch5jax.tasks import Task as Task
from ch5jax.training import Run as Run, recorded_steps as recorded_steps, train as train
from ch5jax.treatment import Treatment as Treatment, treat as treat
from ch5jax.verdicts import Diagnosis as Diagnosis, diagnose as diagnose

open = open_sweep  # noqa: A001 - `ch5jax.open`, as a module of files has it
