/* What rosterctl ends with; the manual's list. */
#ifndef TOOLS_ROSTERCTL_EXIT_H
#define TOOLS_ROSTERCTL_EXIT_H

enum exit_code { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_FOUND };

#endif
