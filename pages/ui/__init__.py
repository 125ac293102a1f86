"""What the pages share: state, layout, map, forms and errors."""
