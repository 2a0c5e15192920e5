/* placeholder until the module lands */ extern int dms_check_placeholder; int dms_check_placeholder;
