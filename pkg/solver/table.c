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
