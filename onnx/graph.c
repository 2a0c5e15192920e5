/* placeholder until the module lands */ extern int dms_graph_placeholder; int dms_graph_placeholder;
