/* What cppcheck needs to know of jansson, whose headers it does not read. */
#define json_array_foreach(a, i, v) for (i = 0; (v = json_array_get(a, i)); i++)
#define json_object_foreach(o, k, v) for (k = first_key(o); k && (v = json_object_get(o, k)); k = next_key(o, k))
#define json_object_foreach_safe(o, n, k, v) json_object_foreach(o, k, v)
#define json_array_foreach_safe(a, i, v) json_array_foreach(a, i, v)
