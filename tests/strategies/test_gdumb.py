"""GDumb: the result is that of the memory alone."""

from itertools import permutations

import torch

from tsniqa.strategies.gdumb import GDumb
from tsniqa.strategies.joint import Joint
from tsniqa.strategies.memory import remembered


def learned(world, order, method=GDumb):
    plan = world.plan("sequential", order)
    strategy = method(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    return plan, strategy


def equal_states(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def joint(plan, tasks):
    strategy = Joint(plan.setting)
    strategy.learn(tasks[-1], tasks[:-1])
    return strategy.state()


def test_every_order_of_the_same_tasks_gives_the_same_bits(world, tight):
    states = [
        learned(world, order)[1].state() for order in permutations(("alpha", "beta", "gamma"))
    ]
    assert all(equal_states(states[0], state) for state in states[1:])


def test_it_is_joint_learning_on_the_memory(world, tight):
    plan, strategy = learned(world, ("gamma", "alpha"))
    kept = remembered(plan.setting, plan.tasks)
    assert equal_states(strategy.state(), joint(plan, kept))
    assert not equal_states(strategy.state(), joint(plan, plan.tasks))


def test_where_all_fits_it_is_joint_learning(world):
    plan, strategy = learned(world, ("gamma", "alpha"))
    assert equal_states(strategy.state(), joint(plan, plan.tasks))


def test_what_it_learned_before_does_not_matter(world, tight):
    plan, strategy = learned(world, ("alpha", "beta"))
    _, spoiled = learned(world, ("alpha",))
    with torch.no_grad():
        spoiled.head.weight.zero_()
        for value in spoiled.backbone.network.parameters():
            value.fill_(0.01)
    task = world.task("gamma")
    for one in (strategy, spoiled):
        one.learn(task, plan.tasks)
    assert equal_states(strategy.state(), spoiled.state())


def test_it_leaves_the_initial_network_as_it_was(world):
    plan, strategy = learned(world, ("alpha",))
    assert plan.setting.backbone.filters_fingerprint() == plan.fingerprints["filters before"]
    assert strategy.filters_fingerprint() != plan.fingerprints["filters before"]


def test_a_fresh_strategy_goes_on_from_a_stored_state_bit_for_bit(world, tight):
    _, whole = learned(world, ("gamma", "alpha"))
    plan, part = learned(world, ("gamma",))
    state = {key: value.clone() for key, value in part.state().items()}
    fresh = GDumb(plan.setting)
    fresh.load_state(state)
    assert equal_states(fresh.state(), state)
    fresh.learn(world.task("alpha"), plan.tasks)
    assert equal_states(fresh.state(), whole.state())
