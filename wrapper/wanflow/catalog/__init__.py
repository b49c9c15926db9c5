"""The merged spec as run time reads it: models, operations, rules and violations."""
