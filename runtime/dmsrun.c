/* dmsrun.c - the command line of the runtime. */
#include <stdio.h>

int main(void) {
    fprintf(stderr, "dmsrun: error: not built yet\n");
    return 1;
}
