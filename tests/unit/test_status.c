/* test_status.c - what a message looks like when names are hostile or too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "schema/status.h"

#define ROOM (sizeof((dms_status *)0)->msg)

static void a_failure_holds_its_code_and_its_sentence(void **state) {
    (void)state;
    dms_status st = {0};
    assert_int_equal(dms_fail(&st, DMS_EBUDGET, "tensor '%s': %d bytes", "x", 12), DMS_EBUDGET);
    assert_int_equal(st.code, DMS_EBUDGET);
    assert_string_equal(st.msg, "tensor 'x': 12 bytes");
}

static void nobody_needs_to_listen(void **state) {
    (void)state;
    assert_int_equal(dms_fail(NULL, DMS_EIO, "%s", "lost"), DMS_EIO);
    assert_int_equal(dms_context(NULL, "%s", "lost"), DMS_EINTERNAL);
}

/* Exit codes of both programs: scripts rely on the numbers. */
static void codes_have_stable_numbers(void **state) {
    (void)state;
    static const int code[] = {DMS_OK,      DMS_EINTERNAL, DMS_EUSAGE, DMS_EUNSUPPORTED,
                               DMS_EIO,     DMS_EBUDGET,   DMS_EPLAN,  DMS_EINPUT,
                               DMS_EDEVICE, DMS_EDIFFERS};
    for (int k = 0; k < 10; k++)
        assert_int_equal(code[k], k);
    assert_int_equal(DMS_ECANCELLED, 130); /* 128 + SIGINT, as shells report it */
}

static void control_characters_never_reach_a_terminal(void **state) {
    (void)state;
    static const struct {
        const char *name, *shown;
    } cases[] = {
        {"\033[2J", "\\x1b[2J"},
        {"a\tb", "a\\x09b"},
        {"a\rb", "a\\x0db"},
        {"\x7f", "\\x7f"},
        {"\x01\x1f", "\\x01\\x1f"},
        {"line\nline", "line\nline"},
        {"\xc3\xa9", "\xc3\xa9"},
        {"100%", "100%"},
        {"%s%n", "%s%n"},
        {"back\\slash", "back\\slash"},
        {" ~", " ~"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        dms_status st = {0};
        (void)dms_fail(&st, DMS_EIO, "%s", cases[k].name);
        assert_string_equal(st.msg, cases[k].shown);
    }
}

static void every_byte_is_either_plain_or_four_characters(void **state) {
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        dms_status st = {0};
        (void)dms_fail(&st, DMS_EIO, "<%c>", byte);
        const int is_control = (byte < 32 && byte != '\n') || byte == 127;
        assert_int_equal(strlen(st.msg), is_control ? 6 : 3);
        assert_int_equal(st.msg[0], '<');
        assert_int_equal(st.msg[strlen(st.msg) - 1], '>');
    }
}

/* 2040 bytes hold 2039 characters and the end. */
static void a_long_message_is_cut_and_ends(void **state) {
    (void)state;
    char text[3000];
    for (size_t length = ROOM - 3; length < ROOM + 3; length++) {
        memset(text, 'x', sizeof text);
        text[length] = 0;
        dms_status st = {0};
        (void)dms_fail(&st, DMS_EIO, "%s", text);
        assert_int_equal(strlen(st.msg), length < ROOM - 1 ? length : ROOM - 1);
    }
}

/* A cut never shows half of an escape, which would look like another name. */
static void a_cut_falls_between_escapes(void **state) {
    (void)state;
    char text[1200];
    for (size_t lead = 0; lead < 8; lead++) {
        memset(text, 'x', lead);
        memset(text + lead, '\a', sizeof text - lead - 1);
        text[sizeof text - 1] = 0;
        dms_status st = {0};
        (void)dms_fail(&st, DMS_EIO, "%s", text);
        const size_t length = strlen(st.msg);
        assert_true(length < ROOM && length > ROOM - 6);
        assert_int_equal((length - lead) % 4, 0);
        assert_string_equal(st.msg + length - 4, "\\x07");
    }
}

static void a_context_goes_in_front_and_keeps_the_code(void **state) {
    (void)state;
    dms_status st = {0};
    (void)dms_fail(&st, DMS_EUNSUPPORTED, "axis 7 of 4");
    assert_int_equal(dms_context(&st, "node '%s'", "add_3"), DMS_EUNSUPPORTED);
    assert_string_equal(st.msg, "node 'add_3': axis 7 of 4");
    assert_int_equal(dms_context(&st, "model"), DMS_EUNSUPPORTED);
    assert_string_equal(st.msg, "model: node 'add_3': axis 7 of 4");
    assert_int_equal(st.code, DMS_EUNSUPPORTED);
}

static void a_context_is_escaped_once(void **state) {
    (void)state;
    dms_status st = {0};
    (void)dms_fail(&st, DMS_EIO, "%s", "\x1b");
    (void)dms_context(&st, "%s", "\x1b");
    assert_string_equal(st.msg, "\\x1b: \\x1b");
}

/* What failed is worth more than where: a long prefix leaves most of the room to the message. */
static void a_long_context_leaves_room_for_the_reason(void **state) {
    (void)state;
    char name[3000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    dms_status st = {0};
    (void)dms_fail(&st, DMS_EIO, "the reason");
    (void)dms_context(&st, "%s", name);
    assert_int_equal(strlen(st.msg), 511 + strlen(": the reason"));
    assert_string_equal(st.msg + 511, ": the reason");
}

static void contexts_without_end_stay_within_the_message(void **state) {
    (void)state;
    dms_status st = {0};
    (void)dms_fail(&st, DMS_EIO, "the reason");
    for (int k = 0; k < 1000; k++)
        assert_int_equal(dms_context(&st, "level %d", k), DMS_EIO);
    assert_true(strlen(st.msg) < ROOM);
    assert_memory_equal(st.msg, "level 999: level 998: ", 22);
}

static void a_later_failure_replaces_the_first(void **state) {
    (void)state;
    dms_status st = {0};
    (void)dms_fail(&st, DMS_EIO, "a long first sentence");
    (void)dms_fail(&st, DMS_EPLAN, "second");
    assert_int_equal(st.code, DMS_EPLAN);
    assert_string_equal(st.msg, "second");
}

/* dms_fail(st, ..., st->msg) is how a message is wrapped. */
static void a_message_may_be_made_of_itself(void **state) {
    (void)state;
    dms_status st = {0};
    (void)dms_fail(&st, DMS_EIO, "inner");
    (void)dms_fail(&st, DMS_EPLAN, "outer (%s)", st.msg);
    assert_string_equal(st.msg, "outer (inner)");
}

static dms_code give(dms_code code, int *calls) {
    (*calls)++;
    return code;
}

static dms_code try_both(dms_code first, dms_code second, int *calls) {
    DMS_TRY(give(first, calls));
    DMS_TRY(give(second, calls));
    return DMS_OK;
}

static void trying_stops_at_the_first_failure(void **state) {
    (void)state;
    int calls = 0;
    assert_int_equal(try_both(DMS_OK, DMS_OK, &calls), DMS_OK);
    assert_int_equal(calls, 2);
    assert_int_equal(try_both(DMS_EINPUT, DMS_EIO, &calls), DMS_EINPUT);
    assert_int_equal(calls, 3);
    assert_int_equal(try_both(DMS_OK, DMS_EIO, &calls), DMS_EIO);
    assert_int_equal(calls, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_holds_its_code_and_its_sentence),
        cmocka_unit_test(nobody_needs_to_listen),
        cmocka_unit_test(codes_have_stable_numbers),
        cmocka_unit_test(control_characters_never_reach_a_terminal),
        cmocka_unit_test(every_byte_is_either_plain_or_four_characters),
        cmocka_unit_test(a_long_message_is_cut_and_ends),
        cmocka_unit_test(a_cut_falls_between_escapes),
        cmocka_unit_test(a_context_goes_in_front_and_keeps_the_code),
        cmocka_unit_test(a_context_is_escaped_once),
        cmocka_unit_test(a_long_context_leaves_room_for_the_reason),
        cmocka_unit_test(contexts_without_end_stay_within_the_message),
        cmocka_unit_test(a_later_failure_replaces_the_first),
        cmocka_unit_test(a_message_may_be_made_of_itself),
        cmocka_unit_test(trying_stops_at_the_first_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
