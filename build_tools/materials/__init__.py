"""What a wheel is made of: each part by name, hash and licence; its SBOM and licence files."""
