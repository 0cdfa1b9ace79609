"""A replay of stacked seeds on a GPU, one objective alone and three side by side."""


def test_stacks(stack_row):
    stack_row()
