"""MAS: memory aware synapses, by how much the output moves with a parameter.

Source: Aljundi et al., ECCV 2018 (arXiv 1711.09601); see :mod:`.importance`. No opinion score
enters either importance.
"""

import torch
from torch import Tensor

from tsniqa.data.task import Task
from tsniqa.model.fidelity import thurstone
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.importance import Regularized, mean_of


class MAS(Regularized):
    """Hold parameters by the mean magnitude of the gradient of the squared output.

    ``context.importance`` chooses the output: ``"derived"`` the quality of an image by its head, as
    in the paper; ``"released"`` the probability that the first image of a pair is better.
    """

    name = "mas"
    default_weight = 10.0

    def importance_of(self, task: Task, head: LinearHead) -> Tensor:
        """Return the mean over images, or over pairs, of the gradient's magnitude [P]."""
        if self.context.importance == "released":
            batches = self.pair_gradients(task, head, squared_probability)
            gradients = (gradient for batch in batches for gradient in batch.one_by_one())
            return mean_of((gradient.abs() for gradient in gradients), self.importance)
        crops = torch.Generator().manual_seed(self.context.seed_for(task.name, "importance"))
        everyone = range(len(self.context.images(task, "train").images))
        visited = self.image_gradients(task, head, everyone, crops)
        # The gradient of q^2 is 2 q grad q.
        return mean_of((2 * (q * gradient).abs() for q, gradient in visited), self.importance)


def squared_probability(difference: Tensor, target: Tensor) -> Tensor:
    """Squared probability that the first image is better, whatever was judged."""
    return thurstone(difference, torch.zeros_like(difference)) ** 2
