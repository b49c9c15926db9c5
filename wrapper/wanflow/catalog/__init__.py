"""The merged spec as the library reads it at run time: models, operations, validation."""
