/* expr.c - recursive descent over rational numbers.
 *
 *     sum      = product { ("+" | "-") product }
 *     product  = unary { ("*" | "/" | "//" | "%") unary }
 *     unary    = "-" unary | power
 *     power    = atom [ "**" unary ]
 *     atom     = number | name | name "(" sum { "," sum } ")" | "(" sum ")"
 */
#include "onnx/expr.h"

#include <string.h>

#include "schema/checked.h"

#define DEEPEST 64u
#define LONGEST 1000u
#define MOST_ARGUMENTS 8u

/* num / den in lowest terms, den > 0. */
typedef struct rational {
    int64_t num, den;
} rational;

typedef struct parser {
    const char *at;
    uint32_t depth;
    dms_expr_lookup lookup;
    void *context;
    bool is_broken, is_unknown, is_no_number;
} parser;

static rational parse_sum(parser *p);

/* Greatest common divisor, positive. */
static int64_t gcd(int64_t a, int64_t b) {
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

/* Marks the result as no number and goes on with 1, so that the syntax is still checked. */
static rational no_number(parser *p) {
    p->is_no_number = true;
    return (rational){1, 1};
}

/* num / den in lowest terms. INT64_MIN has no positive twin, so it counts as overflow. */
static rational reduce(parser *p, int64_t num, int64_t den) {
    if (den == 0 || num == INT64_MIN || den == INT64_MIN)
        return no_number(p);
    const int64_t common = gcd(num, den), sign = den < 0 ? -1 : 1;
    return (rational){sign * (num / common), sign * (den / common)};
}

/* a + sign b. */
static rational add(parser *p, rational a, rational b, int64_t sign) {
    int64_t x, y, num, den;
    if (!dms_mul_i64(a.num, b.den, &x) || !dms_mul_i64(b.num, a.den, &y) ||
        !dms_mul_i64(y, sign, &y) || !dms_add_i64(x, y, &num) || !dms_mul_i64(a.den, b.den, &den))
        return no_number(p);
    return reduce(p, num, den);
}

/* a b. */
static rational multiply(parser *p, rational a, rational b) {
    int64_t num, den;
    if (!dms_mul_i64(a.num, b.num, &num) || !dms_mul_i64(a.den, b.den, &den))
        return no_number(p);
    return reduce(p, num, den);
}

/* a / b; reduce() turns a division by zero into no number. */
static rational divide(parser *p, rational a, rational b) {
    return multiply(p, a, reduce(p, b.den, b.num));
}

/* The largest integer that is not above `a`: C divides toward zero, dims do not. */
static rational round_down(rational a) {
    const int64_t q = a.num / a.den;
    return (rational){q - (a.num % a.den < 0 ? 1 : 0), 1};
}

/* a - b floor(a / b): the sign of b, as Python has it. */
static rational modulo(parser *p, rational a, rational b) {
    return add(p, a, multiply(p, b, round_down(divide(p, a, b))), -1);
}

/* base to a small integer; 62 is where 2 ends. */
static rational power(parser *p, rational base, rational exponent) {
    if (exponent.den != 1 || exponent.num < 0 || exponent.num > 62)
        return no_number(p);
    rational result = {1, 1};
    for (int64_t k = 0; k < exponent.num; k++)
        result = multiply(p, result, base);
    return result;
}

/* a < b */
static bool is_less(parser *p, rational a, rational b) {
    return add(p, a, b, -1).num < 0;
}

/* Spaces carry no meaning between the parts. */
static void skip_space(parser *p) {
    while (*p->at == ' ' || *p->at == '\t')
        p->at++;
}

/* Takes `text` when it comes next. */
static bool take(parser *p, const char *text) {
    skip_space(p);
    if (strncmp(p->at, text, strlen(text)) != 0)
        return false;
    p->at += strlen(text);
    return true;
}

/* ASCII, whatever the locale. */
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* What a name may begin with; exporters write dots and underscores. */
static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
}

/* Length of the name at `text`; 0 when there is none. */
static uint32_t name_length(const char *text) {
    uint32_t n = 0;
    if (is_letter(text[0]))
        while (is_letter(text[n]) || is_digit(text[n]))
            n++;
    return n;
}

/* Decimal digits; all are taken, also of a number that is too large. */
static rational parse_number(parser *p) {
    int64_t value = 0;
    for (; is_digit(*p->at); p->at++)
        if (!dms_mul_i64(value, 10, &value) || !dms_add_i64(value, *p->at - '0', &value))
            value = no_number(p).num;
    return (rational){value, 1};
}

typedef enum function { FLOOR, CEIL, MIN, MAX, MOD, FLOOR_DIV, NO_FUNCTION } function;

/* The function of this name, as sympy, Python or C print it. */
static function find_function(const char *text, uint32_t length) {
    static const struct {
        const char *name;
        function id;
    } known[] = {{"floor", FLOOR}, {"ceil", CEIL}, {"ceiling", CEIL},
                 {"min", MIN},     {"Min", MIN},   {"max", MAX},
                 {"Max", MAX},     {"Mod", MOD},   {"FloorDiv", FLOOR_DIV}};
    for (uint32_t k = 0; k < sizeof known / sizeof *known; k++)
        if (strlen(known[k].name) == length && memcmp(known[k].name, text, length) == 0)
            return known[k].id;
    return NO_FUNCTION;
}

/* A function of n >= 1 arguments. */
static rational apply(parser *p, function id, const rational *x, uint32_t n) {
    rational best = x[0];
    switch (id) {
    case FLOOR:
        return round_down(x[0]);
    case CEIL:
        return multiply(p, round_down(multiply(p, x[0], (rational){-1, 1})), (rational){-1, 1});
    case MIN:
    case MAX:
        for (uint32_t k = 1; k < n; k++)
            if (id == MIN ? is_less(p, x[k], best) : is_less(p, best, x[k]))
                best = x[k];
        return best;
    case MOD:
        return n == 2 ? modulo(p, x[0], x[1]) : no_number(p);
    case FLOOR_DIV:
        return n == 2 ? round_down(divide(p, x[0], x[1])) : no_number(p);
    case NO_FUNCTION:
        break;
    }
    p->is_broken = true;
    return best;
}

/* The arguments behind "name(". */
static rational parse_call(parser *p, function id) {
    rational x[MOST_ARGUMENTS] = {{1, 1}};
    uint32_t n = 0;
    do {
        if (n == MOST_ARGUMENTS)
            p->is_broken = true;
        x[n % MOST_ARGUMENTS] = parse_sum(p);
        n++;
    } while (!p->is_broken && take(p, ","));
    p->is_broken = p->is_broken || !take(p, ")");
    return p->is_broken ? x[0] : apply(p, id, x, n);
}

/* A dim, or a call of a function. */
static rational parse_name(parser *p) {
    const uint32_t length = name_length(p->at);
    const char *name = p->at;
    rational value = {1, 1};
    p->at += length;
    if (length == 0)
        p->is_broken = true;
    else if (take(p, "("))
        return parse_call(p, find_function(name, length));
    else if (!p->lookup(p->context, name, length, &value.num)) {
        p->is_unknown = true;
        value.num = 1;
    }
    return value;
}

/* See the grammar above. */
static rational parse_atom(parser *p) {
    skip_space(p);
    if (is_digit(*p->at))
        return parse_number(p);
    if (!take(p, "("))
        return parse_name(p);
    const rational value = parse_sum(p);
    p->is_broken = p->is_broken || !take(p, ")");
    return value;
}

/* Every recursion passes here, so this is where its depth is counted. */
static rational parse_unary(parser *p) {
    if (++p->depth > DEEPEST)
        p->is_broken = true;
    rational value = {1, 1};
    if (p->is_broken)
        return value;
    if (take(p, "-"))
        value = multiply(p, parse_unary(p), (rational){-1, 1});
    else {
        value = parse_atom(p);
        if (!p->is_broken && take(p, "**"))
            value = power(p, value, parse_unary(p));
    }
    p->depth--;
    return value;
}

/* See the grammar above; "//" is looked for before "/". */
static rational parse_product(parser *p) {
    rational value = parse_unary(p);
    while (!p->is_broken) {
        if (take(p, "//"))
            value = round_down(divide(p, value, parse_unary(p)));
        else if (take(p, "*"))
            value = multiply(p, value, parse_unary(p));
        else if (take(p, "/"))
            value = divide(p, value, parse_unary(p));
        else if (take(p, "%"))
            value = modulo(p, value, parse_unary(p));
        else
            break;
    }
    return value;
}

/* See the grammar above. */
static rational parse_sum(parser *p) {
    rational value = parse_product(p);
    while (!p->is_broken) {
        if (take(p, "+"))
            value = add(p, value, parse_product(p), 1);
        else if (take(p, "-"))
            value = add(p, value, parse_product(p), -1);
        else
            break;
    }
    return value;
}

dms_expr_result dms_expr_evaluate(const char *text, dms_expr_lookup lookup, void *context,
                                  int64_t *out) {
    parser p = {.at = text, .lookup = lookup, .context = context};
    if (strlen(text) > LONGEST)
        return DMS_EXPR_NO_TEXT;
    const rational value = parse_sum(&p);
    skip_space(&p);
    if (p.is_broken || *p.at != 0)
        return DMS_EXPR_NO_TEXT;
    if (p.is_unknown)
        return DMS_EXPR_UNKNOWN;
    if (p.is_no_number || value.den != 1 || value.num < 0)
        return DMS_EXPR_NO_DIM;
    *out = value.num;
    return DMS_EXPR_OK;
}

bool dms_expr_is_name(const char *text) {
    const uint32_t length = name_length(text);
    return length != 0 && text[length] == 0;
}
