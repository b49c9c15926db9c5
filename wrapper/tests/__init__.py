"""Tests of the product, by the package that they test."""
