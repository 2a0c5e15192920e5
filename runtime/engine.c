/* placeholder until the module lands */ extern int dms_engine_placeholder;
int dms_engine_placeholder;
