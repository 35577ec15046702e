"""Greedy unsupervised pretraining: a network's initial parameters, a layer at a time."""

from ch5jax.pretraining._layerwise import Pretrained as Pretrained, pretrain_layerwise as pretrain_layerwise
