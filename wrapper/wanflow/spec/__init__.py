"""What the OpenAPI documents say: read by everything else, merged and proved when they change."""
