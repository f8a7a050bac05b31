{{ golden_as_of(ref('int_positions_current'), ref('int_factors')) }}
