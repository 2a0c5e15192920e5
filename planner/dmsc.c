/* dmsc.c - the command line of the compiler. */
#include <stdio.h>

int main(void) {
    fprintf(stderr, "dmsc: error: not built yet\n");
    return 1;
}
