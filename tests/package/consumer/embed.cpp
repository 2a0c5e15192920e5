// embed.cpp - the header in C++: opens a plan, or says why not.
#include <cstdio>

#include "runtime/dms.h"

int main(int argc, char **argv) {
    dms_options options{};
    dms_session *session = nullptr;
    dms_status st{};
    const dms_code code = dms_open(argc > 1 ? argv[1] : "", &options, &session, &st);
    if (code != DMS_OK) {
        std::fprintf(stderr, "%s\n", st.msg);
        return code;
    }
    const dms_port_info port = dms_session_input(session, 0);
    char text[200];
    std::printf("%s %s\n", port.name, dms_view_text(&port.view, text, sizeof text));
    dms_close(session);
    return 0;
}
