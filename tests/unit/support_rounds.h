/* support_rounds.h - how often a test that draws its cases draws.
 *
 * Reads    nothing.
 * Returns  a constant.
 * Cost     none.
 * Source   none.
 * Not here what is drawn: the first cases are the same in every build.
 */
#ifndef DMS_TESTS_SUPPORT_ROUNDS_H
#define DMS_TESTS_SUPPORT_ROUNDS_H

/* What a case computes is right or wrong in every build, and the plain one draws the most. What the
 * sanitizers see beside that lies in code that few cases reach whole. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS_OF(usual, sanitized) (sanitized)
#else
#define ROUNDS_OF(usual, sanitized) (usual)
#endif

#endif
