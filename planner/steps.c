/* placeholder until the module lands */ extern int dms_steps_placeholder; int dms_steps_placeholder;
