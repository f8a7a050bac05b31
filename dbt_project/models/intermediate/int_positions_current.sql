{{ positions_as_of() }}
