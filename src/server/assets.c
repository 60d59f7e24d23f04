#include "server/assets.h"

#include "web_assets.h"
