#include "solver/solver.h"

static const struct solver_ops *const table[] = {&solver_http01, &solver_dns01};

const struct solver_ops *solver_of(int challenge_type)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i]->type == challenge_type)
            return table[i];
    }
    return NULL;
}

bool solver_wrote_nothing(const struct solver_ops *ops, int code, bool sent)
{
    static const int codes[] = {ERR_INVALID, ERR_UNSUPPORTED, ERR_NOT_FOUND, ERR_DENIED};

    if (code == 0 || ops->lives_in_process) /* that may have made folders, or bound a port */
        return false;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (code == codes[i])
            return true;
    }
    return !sent;
}
