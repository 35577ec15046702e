"""BatchNorm, seen: outputs of known mean and variance, weights whose size does not matter, and rates that work.

The output has the mean β and the variance γ² σ²/(σ² + ε) whatever the input's shift and size. So the loss is the same
for c w as for w in a layer before it, its gradient there is that of w over c, and orthogonal to each unit's weights.
Then the nine stages forward and backward beside the closed form and autodiff, the running statistics beside the
population's, and a sweep of SGD on the scanned digits with six hidden layers. Source: the chapter, section 5.7; Ioffe
and Szegedy (2015), section 3.3; Goodfellow, Bengio and Courville, Deep Learning (2016), section 8.7.1.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax

mpl.use("agg")
rng = np.random.default_rng(0)
EPS = 1e-5
norm = ch5jax.BatchNormParams(jnp.array([0.5, 2.0, -3.0]), jnp.array([1.0, -2.0, 0.0]))  # γ, β
_, unseen = ch5jax.batch_norm_init(3)

population = jnp.asarray(rng.gamma(2.0, size=(640, 3)), jnp.float32)  # far from normal
shifts, sizes = np.repeat([-100.0, 0.0, 1.0, 100.0], 4), np.tile([0.1, 1.0, 10.0, 100.0], 4)


@jax.jit
@jax.vmap
def normalized(shift, size):
    return ch5jax.batch_norm(shift + size * population, norm, unseen, eps=EPS)[0]


outputs = np.asarray(normalized(jnp.float32(shifts), jnp.float32(sizes)), float)
variances = sizes[:, None] ** 2 * np.var(np.asarray(population, float), axis=0)
off_mean = np.max(abs(outputs.mean(1) - np.asarray(norm.bias)))
off_var = np.max(abs(outputs.var(1) / (np.square(norm.scale) * variances / (variances + EPS)) - 1))
print(
    f"16 shifts and sizes of the input: the output's mean is off β by {off_mean:.0e} at most, its variance by ", end=""
)
print(f"{off_var:.0e} of γ² σ²/(σ² + ε)")

network = ch5jax.networks.mlp((3, 16, 4), jnp.tanh, batch_norm=True)
hidden, last = jax.jit(network.init)(jax.random.key(0))
wanted = jnp.asarray(rng.normal(size=(640, 4)), jnp.float32)


@jax.jit
@jax.vmap
def loss_and_gradient(c):
    def loss(kernel):
        layers = hidden._replace(kernel=kernel), last
        out, _ = network.apply_training(layers, network.init_state(), population, eps=1e-10)
        return jnp.mean((out - wanted) ** 2)

    return jax.value_and_grad(loss)(c * hidden.kernel)


factors = np.geomspace(0.1, 100, 7)
losses, gradients = map(np.asarray, loss_and_gradient(jnp.float32(factors)))
gradient_norms = np.linalg.norm(gradients, axis=(1, 2))
units = np.asarray(hidden.kernel)
cosines = (units * gradients[2]).sum(0) / np.linalg.norm(units, axis=0) / np.linalg.norm(gradients[2], axis=0)
slope = np.polyfit(np.log(factors), np.log(gradient_norms), 1)[0]
print(f"weights × 0.1 to 100: loss {losses.min():.6f} to {losses.max():.6f}, gradient ∝ c^{slope:.4f}; ", end="")
print(f"cosine of a unit's weights and its gradient {abs(cosines).max():.0e} at most")

x, dout = population[:32] + 3, jnp.asarray(rng.normal(size=(32, 3)), jnp.float32)


@jax.jit
def one_batch(x, dout):
    """The nine stages forward and backward; y and ∂L/∂x by batch_norm, and ∂L/∂x by autodiff of the nine."""
    stages, autodiff = jax.vjp(lambda x: ch5jax.batch_norm_forward_stages(x, norm, eps=EPS), x)
    y, closed_form = jax.vjp(lambda x: ch5jax.batch_norm(x, norm, unseen, eps=EPS)[0], x)
    back = ch5jax.batch_norm_backward_stages(dout, stages, norm)
    nothing = jax.tree.map(jnp.zeros_like, stages)
    return stages, back, y, closed_form(dout)[0], autodiff(nothing._replace(out=dout))[0]


stages, back, y, by_closed_form, by_autodiff = one_batch(x, dout)
off_forward = float(jnp.max(abs(stages.out - y)))
off_closed, off_autodiff = (float(jnp.max(abs(back.dx - dx))) for dx in (by_closed_form, by_autodiff))
print(
    f"nine stages: y as batch_norm has it to {off_forward:.0e}, ∂L/∂x as the closed form to {off_closed:.0e}, ", end=""
)
print(f"as autodiff to {off_autodiff:.0e}")

batches = population.reshape(10, 64, 3)


@jax.jit
def running(batches):
    """The statistics after all batches: with equal weights, and with a momentum of 0.9."""
    exact = recent = unseen
    for batch in batches:
        _, exact = ch5jax.batch_norm(batch, norm, exact, momentum=None)
        _, recent = ch5jax.batch_norm(batch, norm, recent, momentum=0.9)
    return exact, recent


exact, recent = running(batches)
off_exact, off_recent = (float(np.max(abs(np.asarray(s.var) / population.var(0) - 1))) for s in (exact, recent))
print(f"running variances after ten batches: off the population's by {off_exact:.0e} with momentum=None, ", end="")
print(f"by {off_recent:.0e} with momentum 0.9")
inferred = np.asarray(ch5jax.batch_norm_inference(batches[0], norm, exact, eps=EPS))
trained = np.asarray(ch5jax.batch_norm(batches[0], norm, unseen, eps=EPS)[0])
in_inference, in_training = (float(np.max(abs(y.mean(0) - norm.bias))) for y in (inferred, trained))
print(f"the first batch's output has its mean off β by {in_training:.0e} in training, {in_inference:.2f} in inference")

rates = np.geomspace(0.003, 10, 9)
sgd = ch5jax.grid(ch5jax.sgd, learning_rate=rates)
tasks = {name: ch5jax.tasks.digits(hidden=(32,) * 6, batch_norm=name == "BatchNorm") for name in ("plain", "BatchNorm")}
options = {"steps": 200, "seeds": 2, "signals_every": 0}
result = ch5jax.sweep(tasks, sgd, key=jax.random.key(0), **options)
accuracy = dict(
    zip(result.groups, result.columns["validation_accuracy"].reshape(2, len(rates), -1).mean(2), strict=True)
)
work = {name: rates[found > found.max() - 0.05] for name, found in accuracy.items()}
for name, found in accuracy.items():
    print(
        f"{name:9}: {found.max():.1%} at best; within 5 % of it are {len(work[name])} of {len(rates)} rates, ", end=""
    )
    print(f"{work[name].min():.2g} to {work[name].max():.2g}")

figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
for name, found in accuracy.items():
    axes.semilogx(rates, found, "o-", markersize=4, label=name)
axes.set(xlabel="learning rate", ylabel="validation accuracy", ylim=(0, 1))
axes.legend(fontsize=8)
figure.savefig("chapter_5_7_batch_normalization.png", dpi=100)
plt.close(figure)
