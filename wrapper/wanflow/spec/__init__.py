"""What the OpenAPI documents say: read here by everything else, merged and proved here when they change."""
