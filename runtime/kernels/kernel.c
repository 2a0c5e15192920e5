/* placeholder until the module lands */ extern int dms_kernel_placeholder; int dms_kernel_placeholder;
