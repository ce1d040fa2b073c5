"""The pages; they speak HTTP and import none of the other layers."""
