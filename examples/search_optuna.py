"""A sampler of Optuna's chooses what a sweep trains, stops half-way, and goes on from its file."""

import jax
import optuna

import ch5jax

optuna.logging.set_verbosity(optuna.logging.WARNING)


def search(count: int) -> ch5jax.Search:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend("study.log"))
    study = optuna.create_study(storage=storage, study_name="digits", direction="maximize", load_if_exists=True)
    return ch5jax.search(
        ch5jax.tasks.digits(hidden=(8,)),
        ch5jax.momentum,
        study,
        count=count,
        per_round=8,
        steps=100,
        key=jax.random.key(0),
        sampler=optuna.samplers.TPESampler,
        learning_rate=ch5jax.log(1e-4, 10.0),
        decay=ch5jax.linear(0.0, 0.99),
    )


search(count=8)  # a process that ends here
found = search(count=16)  # and one that goes on

best = found.study.best_trial
print(f"best of {len(found.study.trials)}: trial {best.number}, {found.study.best_value:.4f} with {best.params}")
print("verdicts:", {verdict for trial in found.study.trials for verdict in trial.user_attrs["verdicts"]})
print("importances:", optuna.importance.get_param_importances(found.study))
again = found.again()
print(
    "trained again, to the same bits:", float(again.columns["validation_accuracy"][0]) == best.user_attrs["scores"][0]
)
